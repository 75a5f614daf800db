import { describeBuilder } from "../contract/builder.contract.ts";
import { createTestBuilder } from "./world.ts";

describeBuilder("buildah", (registry) => createTestBuilder(registry));
