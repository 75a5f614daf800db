/**
 * What this instance was told by its setup, beside the environment: variables by their names in the table of the
 * configuration. All of them rest sealed. And whether the setup is over, which it is for good.
 */
import type { By } from "../core/audit.ts";

export interface StoredSettings {
  /** In clear: whoever reads them is about to start, or to show their names. */
  readonly values: Readonly<Record<string, string>>;
  /** ISO 8601, UTC; null: nobody has finished it, and no process has served here. */
  readonly finishedAt: string | null;
  /** Bitbucket sends signed webhooks here: that is a host to hear from, though no variable says so. */
  readonly connected: boolean;
}

export interface SettingStore {
  storedSettings(): Promise<StoredSettings>;
  /**
   * All of it or nothing; null takes one away. `setup`: it is the wizard who asks. False: the setup is over, and the wizard
   * may change nothing any more, whichever process closed it.
   */
  saveSettings(
    changes: Readonly<Record<string, string | null>>,
    who: { readonly by: By; readonly setup: boolean },
  ): Promise<boolean>;
  /** From now on the wizard is closed. False: it was before. */
  finishSetup(by: By): Promise<boolean>;
}
