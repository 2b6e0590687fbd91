export default { preset: '@tersor/testing' }
