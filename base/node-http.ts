/**
 * `node:http`. To an `import` of it Node 24 gives a namespace of all that it has, and so reads its getters, of which one
 * loads undici, a whole client, at each start and for nothing. Who only wants its types imports them as types.
 */
export function nodeHttp(): typeof import("node:http") {
  return process.getBuiltinModule("node:http");
}
