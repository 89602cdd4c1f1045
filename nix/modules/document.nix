# The document of a program out of its settings, and which of its secrets come from files.
schema: settings:
let
  kinds = import ./kinds.nix;
  numbers = import ./numbers.nix;
  inherit (builtins) attrNames concatLists concatStringsSep elem elemAt filter genList isString length toJSON;

  at = path: concatStringsSep "." path;
  branchOf = schema: if schema ? anyOf then builtins.head (filter (one: (one.type or null) != "null") schema.anyOf) else schema;

  render = name: schema: value:
    let branch = branchOf schema; in
    if value == null then "null"
    else if kinds.isDuration name then numbers.render (numbers.millisecondsOf value)
    else if branch ? enum then toJSON value
    else if elem branch.type [ "integer" "number" ] then numbers.render value
    else if branch.type == "array" then "[${concatStringsSep "," (map (render "${name}[]" branch.items) value)}]"
    else if branch.type == "object" then
      let
        # What the program fills in by itself when it is left out must be left out.
        given = filter (key: value.${key} != null || branch.properties.${key} ? anyOf) (attrNames branch.properties);
      in
      "{${concatStringsSep "," (map (key: "${toJSON key}:${render key branch.properties.${key} value.${key}}") given)}}"
    else toJSON value;

  secretsOf = path: schema: value:
    let branch = branchOf schema; in
    if value == null then [ ]
    else if (branch.type or null) == "array" then
      concatLists (genList (index: secretsOf (path ++ [ (toString index) ]) branch.items (elemAt value index)) (length value))
    else if (branch.type or null) == "object" then
      concatLists (map
        (key:
          let file = value."${key}File"; required = elem key (branch.required or [ ]); in
          if !(elem key kinds.secrets) then secretsOf (path ++ [ key ]) branch.properties.${key} value.${key}
          else if file != null && value.${key} != null then throw "${at (path ++ [ key ])} and ${key}File: give one of them."
          else if file != null then [ { path = path ++ [ key ]; inherit file; } ]
          else if required && value.${key} == null then throw "${at (path ++ [ key ])} is missing: give it, or ${key}File."
          else [ ])
        (attrNames branch.properties))
    else [ ];
in
rec {
  secrets = secretsOf [ ] schema settings;
  text = builtins.seq (length secrets) (render "" schema settings + "\n");
}
