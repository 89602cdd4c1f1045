# The programs from their sources, with the dependencies that package-lock.json names by hash.
{ buildNpmPackage, importNpmLock, nodejs_24, lib }:
buildNpmPackage {
  pname = "paddock";
  version = (builtins.fromJSON (builtins.readFile ../package.json)).version;
  src = ../.;
  nodejs = nodejs_24;
  npmDeps = importNpmLock { npmRoot = ../.; };
  npmConfigHook = importNpmLock.npmConfigHook;
  # What npm brings is prebuilt: nothing has to run.
  npmFlags = [ "--ignore-scripts" ];
  dontNpmBuild = true;
  installPhase = ''
    mkdir -p $out/bin $out/lib/paddock
    cp -r . $out/lib/paddock
    ln -sf ${nodejs_24}/bin/node $out/lib/paddock/node_modules/.bin/node
    ln -s $out/lib/paddock/paddock $out/bin/paddock
  '';
  meta = { description = "Firmware for IPv6 multi-homed sensor gateways"; license = lib.licenses.asl20; };
}
