/** What is wrong with the URL of a proxy that has a user. */
export const PROXY_USER =
  "must have no user and no password: anybody who may see the function's configuration could read them; let the proxy admit the functions by their subnets or security group";

/** The URL has a user, with or without a password: `http://user:password@proxy.example.com:3128`. */
export function hasUser(url: string): boolean {
  return /^[a-z]+:\/\/[^/?#]*@/i.test(url);
}
