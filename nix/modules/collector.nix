import ./program.nix {
  name = "collector";
  schemaFile = ../../collector/config.schema.json;
  about = "the Paddock collector";
  # Sinks write outside of the collector's own directory, where the administrator has made theirs.
  directoriesOf = settings:
    let of = kind: sink: if sink.${kind} == null then [ ] else [ sink.${kind}.directory ];
    in builtins.concatLists (map (sink: of "files" sink ++ of "lake" sink) settings.sinks);
}
