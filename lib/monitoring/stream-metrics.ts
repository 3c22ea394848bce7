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

/** A metric for every stream that reports it, requests without a stream included. For a dashboard: no alarm may use SEARCH. */
export function everyStream(
  serviceName: string,
  metricName: string,
  statistic: Statistic,
  period: Duration = Duration.hours(1),
): MathExpression {
  const { namespace, serviceDimension, streamDimension } = METRICS;
  const search = `{${namespace},${serviceDimension},${streamDimension}} MetricName="${metricName}" ${serviceDimension}="${serviceName}"`;
  return new MathExpression({
    expression: `SEARCH('${search}', '${statistic}', ${period.toSeconds()})`,
    usingMetrics: {},
    label: `\${PROP('Dim.${streamDimension}')}`,
    period,
  });
}
