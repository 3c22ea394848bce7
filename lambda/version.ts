/** The version of this program, as package.json says it: the functions are deployed without that file. */
export const VERSION = '0.1.0';
