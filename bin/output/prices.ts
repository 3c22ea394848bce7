import { PRICES } from '../../lambda/prices.ts';
import type { Requests } from '../../lambda/s3/connection.ts';

export type RequestClass = Exclude<keyof Requests, 'retries'>;

export const REQUEST_CLASSES = Object.keys(PRICES.per1000) as RequestClass[];

export function costOf(requestClass: RequestClass, requests: Pick<Requests, RequestClass>): number {
  return (requests[requestClass] * PRICES.per1000[requestClass]) / 1000;
}

export function totalCost(requests: Pick<Requests, RequestClass>): number {
  return REQUEST_CLASSES.reduce((sum, requestClass) => sum + costOf(requestClass, requests), 0);
}
