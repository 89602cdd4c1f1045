/** What others made and an image holds. */

/** A Debian package that single files were taken from. */
export interface DebianPart {
  readonly name: string;
  /** As Debian calls it. */
  readonly architecture: string;
  readonly version: string;
  /** Of the .deb file, hex. */
  readonly sha256: string;
  /** As the package's copyright file names them; empty when it is not written for machines. */
  readonly licences: readonly string[];
  /** Paths in the root file system, or behind "esp:" in the EFI partition. */
  readonly files: readonly string[];
}

/** A package of npm that a line of the bundle comes from. */
export interface NpmPart {
  readonly name: string;
  readonly version: string;
  /** SPDX expression. */
  readonly licence: string;
  /** Of the package's archive, as package-lock.json keeps it: `sha512-` and base64. */
  readonly integrity: string;
}

/** The program that runs the bundle. */
export interface NodePart {
  readonly version: string;
  /** Of the program as the image has it, hex. */
  readonly sha256: string;
  /** What is compiled into it, by name: openssl, v8, uv, ... */
  readonly contains: Readonly<Record<string, string>>;
}

export interface ImageParts {
  readonly debian: readonly DebianPart[];
  readonly npm: readonly NpmPart[];
  readonly node: NodePart;
}
