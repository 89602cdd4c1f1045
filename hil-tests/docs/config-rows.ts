/** Rows of the tables of configurations and scenarios, made from the programs' JSON Schemas. */

/** The part of JSON Schema that the configuration schemas use. */
export interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: unknown;
  readonly description?: string;
}

export type Row = readonly string[];

/** Key, what it may be, default, meaning; one row per key that can be written, in the order of the schema. */
export function configRows(schema: Schema, notes: Readonly<Record<string, string>>): Row[] {
  return rowsOf(schema, "", notes);
}

function rowsOf(schema: Schema, prefix: string, notes: Readonly<Record<string, string>>): Row[] {
  const rows: Row[] = [];
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const key = `${prefix}${name}`;
    const children = childrenOf(property);
    // A section that is only the sum of its keys needs no row.
    if (children.length === 0 || !isEmptyObject(property.default)) {
      const byDefault = schema.required?.includes(name) === true ? "required" : defaultOf(property);
      rows.push([`\`${key}\``, allowed(property), byDefault, property.description ?? notes[key] ?? ""]);
    }
    for (const child of children) rows.push(...rowsOf(child.schema, `${key}${child.joint}`, notes));
  }
  return rows;
}

function childrenOf(schema: Schema): { readonly schema: Schema; readonly joint: string }[] {
  if (schema.properties !== undefined) return [{ schema, joint: "." }];
  if (schema.type === "array" && schema.items?.properties !== undefined)
    return [{ schema: schema.items, joint: "[]." }];
  return (schema.anyOf ?? schema.oneOf ?? []).flatMap(childrenOf);
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function defaultOf(schema: Schema): string {
  return schema.default === undefined ? "none" : `\`${JSON.stringify(schema.default)}\``;
}

function allowed(schema: Schema): string {
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(allowed))].join(" or ");
  if (schema.oneOf !== undefined) return "one of these objects, by `kind`";
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(", ");
  switch (schema.type) {
    case "integer":
    case "number": {
      const kind = schema.type === "integer" ? "whole number" : "number";
      if (schema.minimum === undefined) return kind;
      const unbounded = schema.maximum === undefined || schema.maximum >= Number.MAX_SAFE_INTEGER;
      return unbounded ? `${kind} from ${schema.minimum}` : `${kind}, ${schema.minimum} to ${schema.maximum}`;
    }
    case "array":
      return schema.items === undefined
        ? "list"
        : `list of ${schema.items.properties ? "objects" : allowed(schema.items)}`;
    case "string":
      return "text";
    case "boolean":
      return "`true`, `false`";
    default:
      return schema.type ?? "any";
  }
}
