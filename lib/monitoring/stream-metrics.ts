import { Duration } from 'aws-cdk-lib';
import { MathExpression, Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { METRICS } from '../../lambda/names.ts';

type Statistic = 'Sum' | 'Maximum' | 'Average';

/** One of the function's own metrics for one stream. */
export function streamMetric(
  serviceName: string,
  stream: string,
  metricName: string,
  options: { readonly statistic: Statistic; readonly period: Duration },
): Metric {
  return new Metric({
    namespace: METRICS.namespace,
    metricName,
    dimensionsMap: { [METRICS.serviceDimension]: serviceName, [METRICS.streamDimension]: stream },
    ...options,
  });
}

/** Most streams in one graph, and most alarms in one list: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html */
export const MOST_IN_WIDGET = 100;
/** Most characters of a SEARCH: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html */
const MOST_CHARACTERS = 1_024;

/**
 * A metric for every stream that reports it, requests without a stream included. For a dashboard: no alarm may use SEARCH.
 *
 * @param streams their names
 * @returns the metrics of each graph: one graph, or where there are more streams than one holds, as many as it takes
 */
export function everyStream(
  serviceName: string,
  streams: readonly string[],
  metricName: string,
  statistic: Statistic,
  period: Duration = Duration.hours(1),
): MathExpression[][] {
  const { namespace, serviceDimension, streamDimension, unnamedStream } = METRICS;
  const search = (more: string) =>
    `{${namespace},${serviceDimension},${streamDimension}} MetricName="${metricName}" ${serviceDimension}="${serviceName}"${more}`;
  const expression = (text: string) =>
    new MathExpression({
      expression: `SEARCH('${text}', '${statistic}', ${period.toSeconds()})`,
      usingMetrics: {},
      label: `\${PROP('Dim.${streamDimension}')}`,
      period,
    });
  const names = [...streams, unnamedStream];
  if (names.length <= MOST_IN_WIDGET) return [[expression(search(''))]];
  const named = (some: string[]) =>
    search(` ${streamDimension}=(${some.map((name) => `"${name}"`).join(' OR ')})`);
  return chunks(names, MOST_IN_WIDGET).map((ofGraph) => {
    const searches: string[][] = [[]];
    for (const name of ofGraph) {
      const last = searches.at(-1) ?? [];
      if (last.length > 0 && named([...last, name]).length > MOST_CHARACTERS) searches.push([name]);
      else last.push(name);
    }
    return searches.map((some) => expression(named(some)));
  });
}

/**
 * The hourly sum of a metric over all streams, for arithmetic with others of the same graph.
 *
 * @param id a name for it within the graph, in lower case
 * @returns an expression of the name, and the metrics that it needs
 */
export function sumOfStreams(
  serviceName: string,
  streams: readonly string[],
  metricName: string,
  id: string,
): { expression: string; usingMetrics: Record<string, MathExpression> } {
  const searches = everyStream(serviceName, streams, metricName, 'Sum').flat();
  const names = searches.map((_, i) => `${id}${i}`);
  const sums = names.map((name) => `SUM(${name})`);
  return {
    // An expression of no stream that reported is none, and would make the sum none.
    expression: sums.length === 1 ? `SUM(${id}0)` : `(${sums.map((sum) => `FILL(${sum}, 0)`).join(' + ')})`,
    usingMetrics: Object.fromEntries(searches.map((search, i) => [`${id}${i}`, search])),
  };
}

/** A list in pieces of at most `most`: 250 -> 100, 100, 50. */
export function chunks<T>(list: readonly T[], most: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / most) }, (_, i) =>
    list.slice(i * most, (i + 1) * most),
  );
}
