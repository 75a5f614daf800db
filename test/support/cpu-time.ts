/**
 * Milliseconds of computing time since `begun` was taken by `process.cpuUsage()`. For what must not take ever longer: other
 * processes, which a machine may have many of, do not count.
 */
export function computedMs(begun: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1_000;
}
