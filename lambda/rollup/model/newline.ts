/** The byte that ends a line. */
export const NEWLINE = 0x0a;

/** The same, as what is added behind a text source that lacks its last newline. */
export const NEWLINE_BYTES = Buffer.from([NEWLINE]);
