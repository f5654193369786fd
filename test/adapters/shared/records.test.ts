import { inMemoryRecords } from '../../../src/adapters/shared/records.ts';
import { recordsContract } from './records.contract.ts';

const records = inMemoryRecords();
recordsContract('in memory', () => records);
