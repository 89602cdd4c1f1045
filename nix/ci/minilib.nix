# As much of nixpkgs' `lib` as our modules use, for a machine that has Nix and no nixpkgs: options, types, priorities, merging,
# imports. Own code; what it refuses it refuses as NixOS does, in its own words.
let
  inherit (builtins) attrNames attrValues concatLists concatStringsSep elem filter foldl' head isAttrs isFunction isList length listToAttrs typeOf;

  tagged = tag: value: isAttrs value && (value._type or null) == tag;
  override = priority: content: { _type = "override"; inherit priority content; };
  ordered = order: content: { _type = "order"; inherit order content; };

  mkOption = given: { _type = "option"; } // given;
  mkIf = condition: content: { _type = "if"; inherit condition content; };
  mkMerge = contents: { _type = "merge"; inherit contents; };

  # Definitions without mkIf and mkMerge around them.
  flatten = value:
    if tagged "if" value then (if value.condition then flatten value.content else [ ])
    else if tagged "merge" value then concatLists (map flatten value.contents)
    else [ value ];

  # The same one level further in: a condition goes to the values, so that names are known without it.
  pushDown = value:
    if tagged "if" value then map (builtins.mapAttrs (_: mkIf value.condition)) (pushDown value.content)
    else if tagged "merge" value then concatLists (map pushDown value.contents)
    else [ value ];

  shown = path: concatStringsSep "." path;
  stated = path: type: value: throw "A definition for option `${shown path}' is not of type `${type.description}': ${
    if isFunction value then "a function" else builtins.toJSON value}";

  # Definitions with the strongest priority, in their order, without their marks.
  strongest = definitions:
    let
      marked = map (value: if tagged "override" value then value else { priority = 100; content = value; }) definitions;
      best = foldl' (least: one: if one.priority < least then one.priority else least) 10000 marked;
      kept = concatLists (map (one: if one.priority == best then flatten one.content else [ ]) marked);
      orders = map (value: if tagged "order" value then value else { order = 1000; content = value; }) kept;
    in
    map (one: one.content) (builtins.sort (a: b: a.order < b.order) orders);

  mergeOne = path: values:
    if length values == 1 || builtins.all (value: value == head values) values then head values
    else throw "The option `${shown path}' has conflicting definition values: ${concatStringsSep ", " (map builtins.toJSON values)}";

  simple = description: check: {
    inherit description check;
    merge = mergeOne;
  };

  types = rec {
    str = simple "string" builtins.isString;
    bool = simple "boolean" builtins.isBool;
    int = simple "signed integer" builtins.isInt;
    enum = values: simple "one of ${builtins.toJSON values}" (value: elem value values);
    lines = (simple "strings concatenated with \"\\n\"" builtins.isString) // { merge = _: concatStringsSep "\n"; };
    # Sets merge by key, all else must agree.
    anything = {
      description = "anything";
      check = _: true;
      merge = path: values:
        if builtins.all isAttrs values then (attrsOf anything).merge path values else mergeOne path values;
    };
    addCheck = type: check: type // { check = value: type.check value && check value; };
    nullOr = type: {
      description = "null or ${type.description}";
      check = value: value == null || type.check value;
      merge = path: values: if builtins.all (value: value == null) values then null else mergeTyped path type values;
    };
    listOf = type: {
      description = "list of ${type.description}";
      check = isList;
      merge = path: values:
        let all = concatLists values; in
        builtins.genList (index: mergeTyped (path ++ [ (toString index) ]) type (strongest (flatten (builtins.elemAt all index)))) (length all);
    };
    attrsOf = type: {
      description = "attribute set of ${type.description}";
      check = isAttrs;
      merge = path: values:
        let names = attrNames (foldl' (all: one: all // one) { } values); in
        listToAttrs (concatLists (map
          (name:
            let given = concatLists (map (one: if one ? ${name} then flatten one.${name} else [ ]) values);
            in if given == [ ] then [ ] else [ { inherit name; value = mergeTyped (path ++ [ name ]) type (strongest given); } ])
          names));
    };
    submodule = module: {
      description = "submodule";
      check = isAttrs;
      merge = path: values: mergeOptions path module.options values;
    };
  };

  mergeTyped = path: type: values:
    let wrong = filter (value: !(type.check value)) values; in
    if wrong != [ ] then stated path type (head wrong) else type.merge path values;

  isOption = tagged "option";

  # Values for a tree of options out of definitions of the same shape.
  mergeOptions = path: options: definitions:
    let
      unknown = concatLists (map (one: filter (name: !(options ? ${name})) (attrNames one)) definitions);
      valueOf = name: option:
        let
          here = path ++ [ name ];
          defined = concatLists (map (one: if one ? ${name} then [ one.${name} ] else [ ]) definitions);
          given = concatLists (map flatten defined);
          all = given ++ (if option ? default then [ (override 1500 option.default) ] else [ ]);
        in
        if !(isOption option) then mergeOptions here option (concatLists (map pushDown defined))
        else if all == [ ] then throw "The option `${shown here}' is used but not defined."
        else mergeTyped here option.type (strongest all);
    in
    if unknown != [ ] then throw "The option `${shown (path ++ [ (head unknown) ])}' does not exist."
    else builtins.mapAttrs valueOf options;

  # Options of two modules side by side.
  union = a: b: a // builtins.mapAttrs (name: value: if a ? ${name} && !(isOption value) then union a.${name} value else value) b;

  evalModules = { modules, specialArgs ? { } }:
    let
      loaded = module: if builtins.isPath module || builtins.isString module then import module else module;
      apply = module: if isFunction module then module args else module;
      # A file that is imported twice is one module.
      gather = seen: list: foldl'
        (state: module:
          let key = if builtins.isPath module then toString module else null; in
          if key != null && elem key state.seen then state
          else
            let
              made = apply (loaded module);
              inner = gather (state.seen ++ (if key == null then [ ] else [ key ])) (made.imports or [ ]);
            in
            { inherit (inner) seen; made = state.made ++ inner.made ++ [ made ]; })
        { inherit seen; made = [ ]; }
        list;
      all = (gather [ ] modules).made;
      definitionOf = module: module.config or (removeAttrs module [ "imports" "options" ]);
      options = foldl' (known: module: union known (module.options or { })) { } all;
      config = mergeOptions [ ] options (concatLists (map (module: pushDown (definitionOf module)) all));
      args = { inherit config lib; } // specialArgs;
    in
    { inherit config options; };

  lib = {
    inherit mkOption mkIf mkMerge types evalModules;
    mkEnableOption = name: mkOption { type = types.bool; default = false; description = "Whether to enable ${name}."; };
    mkDefault = override 1000;
    mkForce = override 50;
    mkBefore = ordered 500;
    mkAfter = ordered 1500;
    genAttrs = names: valueOf: listToAttrs (map (name: { inherit name; value = valueOf name; }) names);
  };
in
lib
