import { EXIT } from '../errors/index.ts';
import { textTable } from './table.ts';
import type { Action } from './types.ts';

export const doctorActions: readonly Action[] = [
  {
    name: 'doctor',
    title: 'Examine this installation; says what --fix would change, and deletes nothing',
    options: [{ flags: '--fix', description: 'apply the changes that are shown' }],
    who: 'operator',
    danger: 'none',
    withoutDatabase: true,
    run: async (context, { options }) => {
      const { examine, withPatient } = await import('../doctor/index.ts');
      const diagnoses = await withPatient(context, (patient) => examine(patient, options.fix === true));
      const lines = diagnoses.flatMap((one) => {
        if (one.fixed) return (one.fix?.diff ?? []).map((line) => `fixed ${line}`);
        return [
          ...(one.fix ? one.fix.diff.map((line) => `would ${line}`) : []),
          ...(one.remedy ? [`${one.id}: ${one.remedy}`] : []),
        ];
      });
      const table = textTable(
        ['', 'what', 'found'],
        diagnoses.map((one) => [one.state, one.title, one.found]),
      );
      const failed = diagnoses.some(({ state }) => state === 'fail');
      const warned = diagnoses.some(({ state }) => state === 'warn');
      const hint =
        diagnoses.some((one) => one.fix && !one.fixed) && options.fix !== true
          ? ['apply what stands after "would": openclaw doctor --fix']
          : [];
      return {
        json: diagnoses.map(({ fix, ...one }) => ({ ...one, diff: fix?.diff ?? [] })),
        text: [table, ...lines, ...hint].join('\n'),
        exitCode: failed ? EXIT.failed : warned ? EXIT.degraded : EXIT.ok,
      };
    },
  },
  {
    name: 'security audit',
    title:
      'Listeners, rights, roles, Redis, sshd, tokens, Telegram, units: exit 1 from high on, 3 below, 0 when nothing is found',
    who: 'operator',
    danger: 'none',
    withoutDatabase: true,
    run: async (context) => {
      const { audit, withPatient } = await import('../audit/index.ts');
      const report = await withPatient(context, audit);
      const lines = report.findings.flatMap((one) => [
        `${one.severity.padEnd(9)} ${one.found}`,
        `          ${one.remedy}`,
      ]);
      const notes = report.checks.map(
        ({ title, findings, note }) => `${findings > 0 ? '!' : note ? '?' : '='}  ${title}${note ? ` (${note})` : ''}`,
      );
      const worst = report.findings[0]?.severity;
      const exitCode =
        worst === 'critical' || worst === 'high'
          ? EXIT.failed
          : worst === undefined || worst === 'info'
            ? EXIT.ok
            : EXIT.degraded;
      return { json: report, text: [...notes, ...lines, `${report.findings.length} findings`].join('\n'), exitCode };
    },
  },
];
