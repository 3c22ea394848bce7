import { mkdir, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { RollupError } from '../../lambda/errors.ts';
import { writeWhole } from './output-file.ts';

/** Most bytes of a name in the file systems of Linux, macOS and Windows. */
const LONGEST_NAME = 255;
/** Devices of Windows, with any extension. https://learn.microsoft.com/windows/win32/fileio/naming-a-file */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$/i;

/**
 * A folder of our own that files are written into by the names of keys, which whoever wrote raw logs has chosen. It is empty at
 * first, so that nothing in it can lead elsewhere or be overwritten.
 */
export class KeyFolder {
  readonly #folder: string;
  /** What is taken, as a file system sees it that tells no upper case from lower: files, and folders above them. */
  readonly #files = new Set<string>();
  readonly #folders = new Set<string>();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Makes the folder. Throws `InvalidArgument` if there is something in it. */
  static async open(folder: string): Promise<KeyFolder> {
    await mkdir(folder, { recursive: true });
    const [first] = await readdir(folder);
    if (first === undefined) return new KeyFolder(folder);
    const message = `--folder ${folder} has something in it already (${first}): give one that is empty, or not there yet.`;
    throw new RollupError('InvalidArgument', message);
  }

  /**
   * The reason why no file can have this name; undefined where it can, and the name is then taken.
   *
   * @param name the key behind the source prefix
   */
  refusal(name: string): string | undefined {
    const unsafe = unsafePart(name);
    if (unsafe !== undefined) return unsafe;
    const seen = name.normalize('NFC').toLowerCase();
    const above = Array.from(seen.matchAll(/\//g), ({ index }) => seen.slice(0, index));
    if (this.#files.has(seen))
      return 'another key has this name on a system that tells no upper case from lower';
    if (this.#folders.has(seen)) return 'it is the folder of other keys';
    if (above.some((folder) => this.#files.has(folder))) return 'a folder above it is a file';
    this.#files.add(seen);
    for (const folder of above) this.#folders.add(folder);
    return undefined;
  }

  /** Writes a file that appears once it is whole, under a name that was not refused. Returns its size. */
  async write(name: string, bytes: AsyncIterable<Buffer>): Promise<number> {
    const file = join(this.#folder, ...name.split('/'));
    await mkdir(dirname(file), { recursive: true });
    return writeWhole(file, bytes);
  }
}

/** What makes a name lead out of the folder, or to no file; undefined if nothing does. */
function unsafePart(name: string): string | undefined {
  if (name.startsWith('/')) return 'it begins with a slash';
  if (name.includes('\\')) return 'it has a backslash, which parts folders on Windows';
  if (/\p{Cc}/u.test(name)) return 'it has a control character';
  for (const part of name.split('/')) {
    if (part === '') return 'it has an empty segment';
    if (part === '.' || part === '..') return `it has a "${part}" segment`;
    if (part.includes(':')) return 'it has a colon, as a drive has on Windows';
    if (/[. ]$/.test(part)) return 'a segment ends with a dot or a blank, which Windows drops';
    if (DEVICE.test(part)) return `"${part}" is a device on Windows`;
    if (Buffer.byteLength(part) > LONGEST_NAME) return `a segment has more than ${LONGEST_NAME} bytes`;
  }
  return undefined;
}
