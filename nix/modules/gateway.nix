import ./program.nix {
  name = "gateway";
  schemaFile = ../../gateway/config.schema.json;
  about = "the Paddock gateway";
}
