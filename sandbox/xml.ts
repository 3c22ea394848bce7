import { XMLParser } from 'fast-xml-parser';

const NAMED: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

// Line ends and other control characters as references: an XML parser would normalise or refuse them raw.
// eslint-disable-next-line no-control-regex
const SPECIAL = /[&<>"\u0000-\u001f\u007f\ufffe\uffff]/g;

function escape(value: string): string {
  return value.replace(SPECIAL, (char) => NAMED[char] ?? `&#x${char.charCodeAt(0).toString(16)};`);
}

/** An element with text, or nothing at all when there is no value. */
export function leaf(name: string, value: string | number | boolean | undefined): string {
  return value === undefined ? '' : `<${name}>${escape(String(value))}</${name}>`;
}

export function branch(name: string, ...children: string[]): string {
  return `<${name}>${children.join('')}</${name}>`;
}

/** A response document with S3's namespace on its root. */
export function result(name: string, ...children: string[]): Buffer {
  return document(`<${name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${children.join('')}</${name}>`);
}

export function document(root: string): Buffer {
  return Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${root}`);
}

const REPEATED = new Set(['Part', 'Object', 'Tag']);

const parser = new XMLParser({
  ignoreAttributes: true,
  parseTagValue: false,
  trimValues: false,
  htmlEntities: true,
  isArray: (name) => REPEATED.has(name),
});

/** A request document as plain objects; the caller parses what it expects out of it. */
export function parseXml(body: Buffer): unknown {
  return parser.parse(body);
}
