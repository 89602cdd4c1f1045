import ./program.nix {
  name = "collector";
  schemaFile = ../../collector/config.schema.json;
  about = "the Paddock collector";
}
