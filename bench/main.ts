/** `npm run bench intake`, `path` or `plan`; each measures one promise of the project on this machine. */
const [job, ...args] = process.argv.slice(2);

if (job === "intake") {
  const { benchIntake } = await import("./intake.ts");
  await benchIntake(args);
} else if (job === "path") {
  const { benchPath } = await import("./path.ts");
  await benchPath(args);
} else if (job === "plan") {
  const { benchPlan } = await import("./plan.ts");
  await benchPlan(args);
} else {
  console.error(
    "use: npm run bench intake [-- --quick] | npm run bench path [-- --quick] [--postgres] | npm run bench plan [-- --quick]",
  );
  process.exitCode = 2;
}
