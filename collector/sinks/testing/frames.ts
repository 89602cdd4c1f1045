import { CborWriter } from "@paddock/wire/cbor-write.ts";
import { FORMAT_SENML_CBOR } from "@paddock/wire/content-formats.ts";
import { encodeSource, recordSize, writeRecord } from "@paddock/wire/record.ts";

/** A payload of one record for each number: a SenML pack with one reading of that value. */
export function senmlPayload(values: readonly number[]): Buffer {
  return payloadOfFrames(
    values.map((value) =>
      new CborWriter(64).array(1).map(2).int(0).text("urn:dev:mote:1:temp").int(2).int(value).finish(),
    ),
  );
}

/** A payload of one record for each SenML pack, all of one sensor. */
export function payloadOfFrames(frames: readonly Uint8Array[]): Buffer {
  const source = encodeSource("mote-1");
  return Buffer.concat(
    frames.map((frame, index) => {
      const record = Buffer.alloc(recordSize(index, source, FORMAT_SENML_CBOR, frame.length));
      writeRecord(record, 0, index, source, FORMAT_SENML_CBOR, frame);
      return record;
    }),
  );
}
