import { XMLParser } from 'fast-xml-parser';

const NAMED: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

// Written as references: a parser would normalise raw line ends, and refuse raw control characters.
// eslint-disable-next-line no-control-regex
const SPECIAL = /[&<>"\u0000-\u001f\u007f\ufffe\uffff]/g;

function escape(value: string): string {
  return value.replace(SPECIAL, (char) => NAMED[char] ?? `&#x${char.charCodeAt(0).toString(16)};`);
}

/** An element with text, or the empty string if there is no value. */
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

// Code points that are no characters of XML 1.0: https://www.w3.org/TR/xml/#charsets
// eslint-disable-next-line no-control-regex
const NOT_IN_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/u;
const REFERENCE = /&#(?:x([0-9a-f]+)|([0-9]+));/gi;

/**
 * Parses a request document into plain objects, which the caller checks. Throws for characters that XML 1.0 does not
 * allow, raw or as a reference: https://www.w3.org/TR/xml/#sec-references
 */
export function parseXml(body: Buffer): unknown {
  const text = body.toString();
  const referred = Array.from(text.matchAll(REFERENCE), ([, hex, decimal]) =>
    hex === undefined ? Number(decimal) : Number.parseInt(hex, 16),
  );
  if (
    NOT_IN_XML.test(text) ||
    referred.some((code) => code > 0x10ffff || NOT_IN_XML.test(String.fromCodePoint(code)))
  )
    throw new Error('It holds what is no character of XML 1.0.');
  return parser.parse(text);
}
