/** What a statement about an image rests on: nothing here is an opinion. */

/** A file of the root file system. */
export interface RootFile {
  /** Permission bits. */
  readonly mode: number;
  /** Bytes as text of one byte a character, so that anything can be searched for in it. */
  readonly text: string;
}

/** A partition of the image. */
export interface FoundPartition {
  readonly label: string;
  /** In lower case. */
  readonly uuid: string;
}

export interface Evidence {
  readonly release: {
    readonly version: string;
    readonly commit: string;
    readonly supportUntil: string;
    /** Hash of the dm-verity tree, hex. */
    readonly rootHash: string;
  };
  /** Of the image, hex. */
  readonly imageSha256: string;
  /** Why the sums beside the image cannot be believed; undefined: they can. */
  readonly sumsProblem: string | undefined;
  /** Text files beside the image that SHA256SUMS names, by name; only those whose hash is as it says there. */
  readonly documents: ReadonlyMap<string, string>;
  readonly partitions: readonly FoundPartition[];
  readonly root: ReadonlyMap<string, RootFile>;
  /** Text of loader.conf in the EFI partition. */
  readonly loader: string;
  /** Names in the CONFIG partition. */
  readonly config: readonly string[];
  /** What a gateway with the image's default configuration listens to, as "udp 5683", sorted; undefined: it was not started. */
  readonly ports: readonly string[] | undefined;
  /** device-mapper tables of two new data partitions that the image's program made; undefined: it made none. */
  readonly dataTables: readonly string[] | undefined;
  /** Whether a test passed, by "FILE: NAME". */
  readonly tests: ReadonlyMap<string, boolean>;
  /** Pages for people, by path in the sources. */
  readonly pages: ReadonlyMap<string, string>;
  /** The day of the judgement. */
  readonly now: Date;
}
