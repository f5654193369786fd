import { readFileSync } from 'node:fs';
import { verifyLog } from '../src/cli/verify-sources.ts';
const dir='/tmp/vlog'; const cpu=()=>{const u=process.cpuUsage();return (u.user+u.system)/1e6};
for (const keys of process.argv[2]==='sealed' ? [null,null] : [dir+'/keys']) { const c=cpu();
const { report } = await verifyLog(dir+'/log.sqlite', { key: readFileSync(dir+'/vkey','utf8'), witnesses: [], quorum: 0, kept: [{ note: readFileSync(dir+'/cp','utf8'), from: 'outside' }] }, keys, { progress() {}, fact() {} });
console.log(report.verdict, report.facts, report.signatures, 'cpu', cpu()-c); }
