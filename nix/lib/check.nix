# Settings against their description: fills in defaults, refuses what is not known. Every complaint names the setting,
# what was expected and what came.
let
  text = import ./text.nix;

  typeNames = {
    bool = "true or false";
    int = "a whole number";
    list = "a list";
    set = "a set";
    string = "a text";
    null = "null";
  };

  shown = value:
    if builtins.isFunction value then "a function"
    else
      let printed = builtins.toJSON value;
      in if builtins.stringLength printed > 80 then builtins.substring 0 77 printed + "..." else printed;

  refuse = at: expected: value: throw "${at}: expected ${expected}, got ${shown value}.";

  option = { default ? null, required ? false, holds, expected, about }: {
    kind = "option";
    inherit default required holds expected about;
  };

  isIn = type: value: builtins.typeOf value == type;

  # Letters that two names share, in order from the front and from the back: enough to find a slip.
  near = wanted: name:
    let
      lower = builtins.replaceStrings
        [ "A" "B" "C" "D" "E" "F" "G" "H" "I" "J" "K" "L" "M" "N" "O" "P" "Q" "R" "S" "T" "U" "V" "W" "X" "Y" "Z" "_" "-" ]
        [ "a" "b" "c" "d" "e" "f" "g" "h" "i" "j" "k" "l" "m" "n" "o" "p" "q" "r" "s" "t" "u" "v" "w" "x" "y" "z" "" "" ];
      left = lower wanted;
      right = lower name;
      shorter = if builtins.stringLength left < builtins.stringLength right then left else right;
      size = builtins.stringLength shorter;
      sameTo = count: builtins.substring 0 count left == builtins.substring 0 count right;
      backOf = count: value: builtins.substring (builtins.stringLength value - count) count value;
      sameBack = count: backOf count left == backOf count right;
      most = test: builtins.foldl' (best: count: if test count then count else best) 0 (builtins.genList (n: n + 1) size);
      longest = if builtins.stringLength left > builtins.stringLength right then left else right;
    in
    most sameTo + most sameBack + 2 >= builtins.stringLength longest;

  checkSection = at: section: value:
    let
      known = builtins.attrNames section.entries;
      unknown = builtins.filter (name: !(builtins.elem name known)) (builtins.attrNames value);
      first = builtins.head unknown;
      alike = builtins.filter (near first) known;
      hint = if alike == [ ] then "" else " Did you mean ${builtins.head alike}?";
    in
    if !(isIn "set" value) then refuse at "a set" value
    else if unknown != [ ] then
      throw "${at}.${first}: there is no such setting.${hint} Known here: ${builtins.concatStringsSep ", " known}."
    else
      builtins.mapAttrs
        (name: entry: checkEntry "${at}.${name}" entry (value ? ${name}) (value.${name} or null))
        section.entries;

  checkEntry = at: entry: given: value:
    if entry.kind == "section" then checkSection at entry (if given then value else { })
    else if entry.kind == "list" then
      let list = if given then value else entry.default; in
      if !(isIn "list" list) then refuse at "a list" list
      else map ({ index, value }: checkEntry "${at}[${toString index}]" entry.of true value) (text.indexed list)
    else if !given then (if entry.required then throw "${at}: is missing; expected ${entry.expected}." else entry.default)
    else if entry.holds value then value
    else refuse at entry.expected value;
in
{
  inherit typeNames checkSection;

  section = about: entries: { kind = "section"; inherit about entries; };
  listOf = { about, default ? [ ], of }: { kind = "list"; inherit about default of; };

  bool = default: about: option { inherit default about; holds = isIn "bool"; expected = "true or false"; };
  int = { default, min, max, unit, about }: option {
    inherit default about;
    holds = value: isIn "int" value && value >= min && value <= max;
    expected = "a whole number of ${unit}, ${toString min} to ${toString max}";
  };
  string = { default ? null, required ? false, holds, expected, about }: option {
    inherit default required expected about;
    holds = value: isIn "string" value && holds value;
  };
  stringOrNull = { holds, expected, about }: option {
    inherit about;
    default = null;
    expected = "${expected}, or null";
    holds = value: value == null || (isIn "string" value && holds value);
  };
  intOrNull = { min, max, unit, about }: option {
    inherit about;
    default = null;
    expected = "a whole number of ${unit}, ${toString min} to ${toString max}, or null";
    holds = value: value == null || (isIn "int" value && value >= min && value <= max);
  };
}
