/** Names the .feature files to run, separated by commas; unset: all of scenarios/. */
export const FEATURES_VARIABLE = "PADDOCK_HIL_FEATURES";
/** A directory to keep the packets of every uplink in, by scenario; unset: none are kept. */
export const CAPTURE_VARIABLE = "PADDOCK_HIL_CAPTURE";
/** Names a fault (`FaultName` of target.ts) that is not done, while everybody believes that it was: `--sabotage`. */
export const SABOTAGE_VARIABLE = "PADDOCK_HIL_SABOTAGE";
