import { OTHER, OWN, barPanels } from './bar-panels.ts';
import { formatNumber } from './table.ts';

/** One measurement in a panel. */
export interface NetworkBar {
  /** Title of its panel. */
  panel: string;
  label: string;
  seconds: number;
  isDefault: boolean;
}

/**
 * One panel a setting, one bar a value, with the value that functions have marked, and a line at the least time that the
 * network allows.
 */
export function networkChart(bars: NetworkBar[], { about, least }: { about: string; least: number }): string {
  const panels = [...Map.groupBy(bars, ({ panel }) => panel)].map(([title, ofPanel]) => ({
    title,
    bars: ofPanel.map(({ label: name, seconds, isDefault }) => ({
      name,
      value: seconds,
      text: `${formatNumber(seconds)} s${isDefault ? ', default' : ''}`,
      colour: isDefault ? OWN : OTHER,
    })),
  }));
  const label = 'Time of a rollup by outputs in flight, concurrency and part size';
  const max = Math.max(...bars.map(({ seconds }) => seconds));
  return barPanels(panels, { about, label, left: 96, max, line: least });
}
