/** Colour of text and lines, readable on a light and on a dark page. */
export const INK = '#57606a';
export const COLORS = ['#8c959f', '#bf8700', '#1a7f37', '#0969da', '#8250df', '#cf222e'] as const;

export interface Text {
  x: number;
  y: number;
  text: string;
  size?: number;
  anchor?: 'start' | 'middle' | 'end';
  fill?: string;
  bold?: boolean;
}

export function drawText({
  x,
  y,
  text,
  size = 12,
  anchor = 'start',
  fill = INK,
  bold = false,
}: Text): string {
  const weight = bold ? ' font-weight="600"' : '';
  return `<text x="${round(x)}" y="${round(y)}" font-size="${size}" text-anchor="${anchor}" fill="${fill}"${weight}>${escape(text)}</text>`;
}

export function drawRect(x: number, y: number, width: number, height: number, fill: string): string {
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" rx="2" fill="${fill}"/>`;
}

export function drawLine(points: [number, number][], stroke: string, width = 2): string {
  const path = points.map(([x, y]) => `${round(x)},${round(y)}`).join(' ');
  return `<polyline points="${path}" fill="none" stroke="${stroke}" stroke-width="${width}"/>`;
}

export function drawDot([x, y]: [number, number], fill: string): string {
  return `<circle cx="${round(x)}" cy="${round(y)}" r="3" fill="${fill}"/>`;
}

export function drawSvg(width: number, height: number, label: string, elements: string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(label)}">`,
    '<g font-family="-apple-system,Segoe UI,Helvetica,Arial,sans-serif">',
    ...elements,
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
