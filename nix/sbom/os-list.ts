/** What Raspberry Pi Imager shows of an image, and checks. */
export interface ListedImage {
  readonly version: string;
  /** As files of images have it: x86-64, arm64. */
  readonly architecture: string;
  readonly supportUntil: string;
  /** Where the files of the release can be had, ending with a slash; empty: beside the list. */
  readonly url: string;
  /** Name of the compressed image. */
  readonly file: string;
  /** Bytes. */
  readonly downloadSize: number;
  /** Hex. */
  readonly downloadSha256: string;
  /** Bytes of the image itself. */
  readonly size: number;
  /** Of the image itself, hex. */
  readonly sha256: string;
  /** YYYY-MM-DD. */
  readonly date: string;
}

/** Name of the picture beside the list. */
export const ICON_FILE = "paddock.png";

/** os_list.json: one image, as Raspberry Pi Imager takes it from --repo (its doc/json-schema/os-list-schema.json). */
export function osList(image: ListedImage): string {
  const list = {
    os_list: [
      {
        name: `Paddock ${image.version} (${image.architecture})`,
        description: `Sensor gateway for machines with UEFI (${image.architecture}); updates until ${image.supportUntil}`,
        icon: `${image.url}${ICON_FILE}`,
        url: `${image.url}${image.file}`,
        extract_size: image.size,
        extract_sha256: image.sha256,
        image_download_size: image.downloadSize,
        image_download_sha256: image.downloadSha256,
        release_date: image.date,
        // Without it Imager 1.x writes a first start of its own into a partition that it takes for /boot.
        init_format: "none",
      },
    ],
  };
  return `${JSON.stringify(list, null, 2)}\n`;
}
