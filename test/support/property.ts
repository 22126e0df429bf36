/** How often a property is tried: by itself as many times as CI has patience for, more with SQLTRAIL_PROPERTY_RUNS. */
export const propertyRuns = (byDefault: number) => Number(process.env['SQLTRAIL_PROPERTY_RUNS'] ?? byDefault);
