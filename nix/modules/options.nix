# Options of NixOS out of the JSON Schema of a program: types, defaults and descriptions are the program's own.
{ lib }:
let
  inherit (lib) mkOption types;
  kinds = import ./kinds.nix;
  numbers = import ./numbers.nix;

  # `description` is what NixOS shows in its message and its manual.
  checked = type: description: holds: types.addCheck type holds // { inherit description; };

  within = { minimum ? null, maximum ? null, ... }: value:
    (minimum == null || value >= minimum) && (maximum == null || value <= maximum);
  limits = { minimum ? null, maximum ? null, ... }:
    (if minimum == null then "" else ", from ${toString minimum}") + (if maximum == null then "" else ", to ${toString maximum}");

  stringType = name: { pattern ? null, minLength ? 0, maxLength ? 1000000, ... }:
    let
      kind = kinds.strings.${name} or null;
      length = builtins.stringLength;
      # Where a kind is known it says more than the pattern.
      holds = value: length value >= minLength && length value <= maxLength
        && (if kind != null then kind.holds value else pattern == null || builtins.match (regexOf pattern) value != null);
    in
    checked types.str (if kind != null then kind.name else if pattern != null then "text like ${pattern}" else "text") holds;

  # Patterns of the schemas are JavaScript's: POSIX knows no \s, and matches the whole anyway.
  regexOf = builtins.replaceStrings [ "^" "$" "[\\s/]" "[^\\s/]" ] [ "" "" "[[:space:]/]" "[^[:space:]/]" ];

  typeOf = name: schema:
    if schema ? enum then types.enum schema.enum
    else if schema ? anyOf then
      let rest = builtins.filter (one: (one.type or null) != "null") schema.anyOf;
      in if builtins.length rest != 1 then throw "${name}: the schema has a choice that options cannot have" else types.nullOr (typeOf name (builtins.head rest))
    else if schema.type == "boolean" then types.bool
    else if schema.type == "string" then stringType name schema
    else if schema.type == "array" then types.listOf (typeOf "${name}[]" schema.items)
    else if schema.type == "object" then types.submodule { options = optionsOf schema; }
    else if kinds.isDuration name then
      checked types.anything "milliseconds${limits schema}, or a text such as \"30s\""
        (value: numbers.isDuration value && within schema (numbers.valueOf (numbers.millisecondsOf value)))
    else if schema.type == "integer" then
      checked types.anything "whole number${limits schema}"
        (value: (builtins.isInt value || (builtins.isString value && builtins.match "0|[1-9][0-9]*" value != null)) && within schema (numbers.valueOf value))
    else
      checked types.anything "number${limits schema}; as a text where it has more than six digits"
        (value: numbers.isNumber value && within schema (numbers.valueOf value));

  # A setting without a default that must not be left out has none here either, but a secret: it may come from a file.
  optionOf = required: name: schema: mkOption ({
    type =
      let type = typeOf name schema;
      in if isOptional required name schema then types.nullOr type else type;
    description = schema.description or "Setting `${name}` of the program.";
  } // (
    if schema ? default then { inherit (schema) default; }
    else if isOptional required name schema then { default = null; }
    else { }
  ));

  isOptional = required: name: schema:
    !(schema ? default) && (builtins.elem name kinds.secrets || !(builtins.elem name required));

  fileOption = name: mkOption {
    type = types.nullOr (stringType "" { minLength = 1; });
    default = null;
    description = "File with `${name}`, read at the start of the service: unlike the setting itself it is not in the Nix store, which everybody may read.";
  };

  optionsOf = { properties, required ? [ ], ... }:
    builtins.mapAttrs (optionOf required) properties
    // builtins.listToAttrs (map (name: { name = "${name}File"; value = fileOption name; })
      (builtins.filter (name: builtins.elem name kinds.secrets) (builtins.attrNames properties)));
in
{ inherit optionsOf; }
