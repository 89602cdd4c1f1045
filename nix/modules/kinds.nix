# What the JSON Schema of a program does not say of a setting: by its name, the check and what it is called.
let
  text = import ../lib/text.nix;
  isAddress = value: text.isIPv6 (withoutZone value) || text.isIPv4 value;
  withoutZone = value:
    let parts = builtins.match "([^%]*)%[^%/[:space:]]{1,15}" value;
    in if parts == null then value else builtins.head parts;
  isPrefix = value: isAddress value || text.isIPv6Prefix value
    || (let parts = builtins.match "([^/]*)/([12]?[0-9]|3[0-2])" value; in parts != null && text.isIPv4 (builtins.head parts));

  address = { holds = isAddress; name = "IP address"; };
  prefix = { holds = isPrefix; name = "IP address or prefix"; };
  link = { holds = text.isHttpsUrl; name = "https URL"; };
in
{
  # By the last name of the path; `[]` is an entry of a list.
  strings = {
    address = address;
    source = address;
    nextHop = address;
    local = address;
    remote = address;
    "addresses[]" = address;
    "allow[]" = prefix;
    endpoint = link;
    "fallbackEndpoints[]" = link;
  };

  # Milliseconds: a number, or a text such as "30s".
  isDuration = name: builtins.match ".*Ms" name != null;

  # Each has a second option, NAMEFile: the Nix store can be read by everybody.
  secrets = [ "claim" "secret" "code" ];
}
