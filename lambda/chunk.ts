/**
 * Frees the memory of a chunk, if no other buffer shares it: the next chunk of its stream gets the same memory, still in the
 * processor's cache. The garbage collector would free it thousands of chunks later. Whoever gives a chunk away for a time,
 * by a stream of which a chunk is valid until the next is asked for, calls this once that time is over.
 */
export function release({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
