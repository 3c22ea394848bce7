import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const packageSchema = z.object({
  name: z.string(),
  version: z.string(),
  license: z.string().default('see its repository'),
});

/** The packages of `node_modules` that files lie in, by their folders. */
export function packagesOf(files: Iterable<string>): Set<string> {
  const folders = new Set<string>();
  for (const file of files) {
    const [folder] = /^.*node_modules\/(@[^/]+\/)?[^/]+/.exec(file) ?? [];
    if (folder !== undefined && existsSync(join(folder, 'package.json'))) folders.add(folder);
  }
  return folders;
}

/** A file, or the files of a folder: some packages have a folder of the licences of what is inside them. */
function filesOf(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .map((name) => join(path, name))
    .filter((file) => statSync(file).isFile())
    .sort();
}

/** The names, licences and notices of packages whose code is inside what is published, as their licences ask for. */
export function licencesOf(folders: Iterable<string>): string {
  const texts = [...folders].map((folder) => {
    const { name, version, license } = packageSchema.parse(
      JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')),
    );
    const notices = readdirSync(folder)
      .filter((file) => /^(licen[cs]e|notice|copying)/i.test(file))
      .sort()
      .flatMap((file) => filesOf(join(folder, file)))
      .map((file) => readFileSync(file, 'utf8').trim());
    return { title: `${name} ${version} (${license})`, text: notices.join('\n\n') };
  });
  // Many packages share one text, above all those of AWS.
  const byText = Map.groupBy(
    texts.toSorted((a, b) => (a.title < b.title ? -1 : 1)),
    ({ text }) => text,
  );
  const sections = [...byText].map(([text, all]) => [
    ...all.map(({ title }) => title),
    '',
    text === '' ? 'No text of its licence is published with it.' : text,
  ]);
  return [
    'Code of these packages is inside the files of dist/.',
    ...sections.map((lines) => lines.join('\n')),
  ].join(`\n\n${'-'.repeat(80)}\n\n`);
}
