import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { rawObjects } from '../../bench/server/data-set.ts';
import { DigestedContent } from '../../bench/server/digested-content.ts';

const MiB = 2 ** 20;

describe('raw objects', () => {
  const options = { objects: 50, minSize: 1000, maxSize: 2000, checksum: 'crc32' } as const;
  const objects = [...rawObjects(options, 'raw/')];

  it('are the same each time, in key order, whole lines of about the size asked for', () => {
    const facts = (each: typeof objects) => each.map(({ key, etag, crc32: crc }) => ({ key, etag, crc }));
    expect(facts(objects)).toEqual(facts([...rawObjects(options, 'raw/')]));
    expect(objects.map(({ key }) => key)).toEqual(objects.map(({ key }) => key).toSorted());
    for (const { bytes, crc32: crc } of objects) {
      expect(bytes.length).toBeGreaterThanOrEqual(1000);
      expect(bytes.length).toBeLessThan(2300);
      expect(bytes.toString()).toMatch(/^\{.*\}\n$/s);
      expect(crc).toBe(crc32(bytes));
    }
  });

  it('differ from each other', () => {
    expect(new Set(objects.map(({ crc32: crc }) => crc)).size).toBe(objects.length);
  });
});

describe('digested content', () => {
  const small = Buffer.from('kept\n');
  const large = Buffer.alloc(8 * MiB, 'dropped\n');

  async function stored(content: DigestedContent, bytes: Buffer) {
    const spool = content.spool(bytes.length);
    for (let at = 0; at < bytes.length; at += MiB) await spool.write(bytes.subarray(at, at + MiB));
    return spool.finish();
  }

  it('knows length and CRC-32 of bodies that follow one another, kept or dropped', async () => {
    const content = new DigestedContent();
    const parts = [...(await stored(content, large)), ...(await stored(content, small))];
    const whole = Buffer.concat([large, small]);
    expect(content.append({ bytes: 0, crc32: 0 }, parts)).toEqual({
      bytes: whole.length,
      crc32: crc32(whole),
    });
  });

  it('gives back what is small, and refuses to make up what it dropped', async () => {
    const content = new DigestedContent();
    expect(Buffer.concat([...content.readNow(await stored(content, small))])).toEqual(small);
    const dropped = await stored(content, large);
    expect(() => [...content.readNow(dropped)]).toThrow('dropped');
  });
});
