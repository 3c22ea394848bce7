/** The version of this program, as package.json says it: the functions are deployed without that file. */
export const VERSION = '1.0.0-rc.1';
