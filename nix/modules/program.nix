# What the modules of gateway and collector have in common.
# `directoriesOf` tells from the settings which directories it writes beside its own.
{ name, schemaFile, about, directoriesOf ? (_: [ ]) }:
{ config, lib, pkgs, ... }:
let
  schema = builtins.fromJSON (builtins.readFile schemaFile);
  cfg = config.services.paddock.${name};
  document = import ./document.nix schema cfg.settings;
  hasSecrets = document.secrets != [ ];
  unit = "paddock-${name}.service";
  static = "/etc/paddock/${name}.json";
  made = "/run/paddock-${name}/config.json";
  numbered = builtins.genList (index: builtins.elemAt document.secrets index // { credential = "secret${toString index}"; }) (builtins.length document.secrets);

  # One that is not there yet keeps nobody from starting.
  quoted = directory: ''"-${builtins.replaceStrings [ "\\" "\"" "%" ] [ "\\\\" "\\\"" "%%" ] directory}"'';
  writable = builtins.concatStringsSep "" (map (directory: "ReadWritePaths=${quoted directory}\n") (directoriesOf cfg.settings));

  # Runs as the program's user before it; only systemd reads the files themselves.
  secretLines = ''
    [Service]
    RuntimeDirectory=paddock-${name}
    RuntimeDirectoryMode=0700
    ${builtins.concatStringsSep "\n" (map (secret: "LoadCredential=${secret.credential}:${secret.file}") numbered)}
    ExecStartPre=${pkgs.nodejs_24}/bin/node ${./with-secrets.mjs} ${static} ${made} ${builtins.concatStringsSep " " (map (secret: "${secret.credential}=${builtins.concatStringsSep "." secret.path}") numbered)}
  '';
in
{
  imports = [ ./machine.nix ];

  options.services.paddock.${name} = {
    enable = lib.mkEnableOption about;
    settings = lib.mkOption {
      type = lib.types.submodule { options = (import ./options.nix { inherit lib; }).optionsOf schema; };
      default = { };
      description = "The document of the program, checked as the program itself does.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.paddock.parts = [ name ];
    services.paddock.documents.${name} = if hasSecrets then made else static;
    environment.etc."paddock/${name}.json".text = document.text;
    # A changed document starts the program anew: the path of this file, which the unit names, is new then.
    systemd.units.${unit}.text = lib.mkAfter ("\n[Service]\nEnvironment=PADDOCK_DOCUMENT=${builtins.hashString "sha256" document.text}\n" + writable
      + (if hasSecrets then secretLines else ""));
  };
}
