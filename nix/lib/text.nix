# Checks and small helpers over text; builtins only, so that Debian's nix evaluates them without nixpkgs.
rec {
  splitOn = separator: text: builtins.filter builtins.isString (builtins.split separator text);

  isHextet = text: builtins.match "[0-9a-fA-F]{1,4}" text != null;

  isIPv4 =
    let octet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
    in text: builtins.match "${octet}(\\.${octet}){3}" text != null;

  # An address without a zone: RFC 4291 §2.2, the last four bytes in IPv4's form included.
  isIPv6 = text:
    let
      halves = splitOn "::" text;
      groups = half: if half == "" then [ ] else splitOn ":" half;
      # Hextets of a half, or 99 where it is none; IPv4's form may stand at the very end only.
      widthOf = mayEndInIPv4: half:
        let
          list = groups half;
          count = builtins.length list;
          last = builtins.elemAt list (count - 1);
          endsInIPv4 = mayEndInIPv4 && count > 0 && isIPv4 last;
          hextets = if endsInIPv4 then builtins.genList (builtins.elemAt list) (count - 1) else list;
        in
        if builtins.all isHextet hextets then count + (if endsInIPv4 then 1 else 0) else 99;
      count = builtins.length halves;
    in
    builtins.match "[0-9a-fA-F:.]{2,45}" text != null && (
      if count == 1 then widthOf true text == 8
      else if count == 2 then widthOf false (builtins.head halves) + widthOf true (builtins.elemAt halves 1) <= 7
      else false
    );

  # As Linux takes it for an interface.
  isInterface = text: builtins.match "[^][[:space:]/%:=;#\"'\\]{1,15}" text != null && text != "." && text != "..";

  # ADDRESS/LENGTH.
  isIPv6Prefix = text:
    let parts = builtins.match "([^/]*)/([0-9]{1,3})" text;
    in parts != null && isIPv6 (builtins.head parts)
    && builtins.match "12[0-8]|1[01][0-9]|[1-9]?[0-9]" (builtins.elemAt parts 1) != null;

  isMacAddress = text: builtins.match "[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}" text != null;

  # One line without control characters: what may stand behind `Key=` in a unit and stay one value.
  isLine = text: builtins.match "[^[:cntrl:]]+" text != null;

  # A whole path without what units, nftables or a shell would take apart.
  isPath = text: builtins.match "/[A-Za-z0-9_.,+@:/~-]*" text != null;

  # A program and its arguments, separated by blanks, as `ExecStart=` takes them without quoting.
  isCommand = text: builtins.match "/[A-Za-z0-9_.,+@:/~-]*( [A-Za-z0-9_.,+@:/=~-]+)*" text != null;

  isHttpsUrl = text: builtins.match "https?://[][A-Za-z0-9_.~:/%+-]+" text != null;

  when = condition: lines: if condition then lines else [ ];

  # Lines, each ended: null is left out, a list inside is taken as its lines.
  linesOf = list: builtins.concatStringsSep "" (builtins.concatMap
    (line: if line == null then [ ] else if builtins.isList line then [ (linesOf line) ] else [ (line + "\n") ])
    list);

  # Text that has its last line's end already, as a line of `linesOf`.
  linesWithin = text: builtins.substring 0 (builtins.stringLength text - 1) text;

  padded = width: text:
    if builtins.stringLength text >= width then text else padded width (text + " ");

  filesWhen = condition: files: if condition then files else { };

  joined = builtins.foldl' (all: files: all // files) { };

  indexed = list: builtins.genList (index: { inherit index; value = builtins.elemAt list index; }) (builtins.length list);
}
