import { describeBuffer } from "./buffer-suite.ts";
import { describeLedger } from "./ledger-suite.ts";
import { placeInMemory, placeOnDisk } from "./testing/places.ts";

describeBuffer("on disk", placeOnDisk);
describeBuffer("in memory", placeInMemory);
describeLedger("on disk", placeOnDisk);
describeLedger("in memory", placeInMemory);
