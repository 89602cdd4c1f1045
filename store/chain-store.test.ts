import { describeChainStore } from "./chain-store-suite.ts";
import { placeInMemory, placeOnDisk } from "./testing/places.ts";

describeChainStore("on disk", placeOnDisk);
describeChainStore("in memory", placeInMemory);
