# Numbers that come out as they were written. Nix 2.8 keeps six digits of a real number when it writes JSON, and lets whole
# numbers of more than 63 bits wrap: those are written as text.
rec {
  isText = value: builtins.isString value && builtins.match "-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?" value != null;

  # 53.123456789 would become 53.1235.
  staysTheSame = value: builtins.isInt value || (builtins.isFloat value && builtins.fromJSON (builtins.toJSON value) == value);

  isNumber = value: isText value || staysTheSame value;

  valueOf = value: if builtins.isString value then builtins.fromJSON value else value;

  render = value: if builtins.isString value then value else builtins.toJSON value;

  units = { ms = 1; s = 1000; min = 60000; h = 3600000; d = 86400000; };

  isDuration = value: isNumber value || (builtins.isString value && builtins.match "(0|[1-9][0-9]{0,8})(ms|s|min|h|d)" value != null);

  # Milliseconds of a number or of a text such as "30s".
  millisecondsOf = value:
    let parts = if builtins.isString value then builtins.match "([0-9]+)(ms|s|min|h|d)" value else null;
    in if parts == null then value else builtins.fromJSON (builtins.head parts) * units.${builtins.elemAt parts 1};
}
