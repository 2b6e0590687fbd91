export default { test: { include: ['src/**/*.test.ts'], setupFiles: ['@tersor/testing/vitest'] } }
