-- What the demo watches: state, percent, rows, and the line that is shown.
SELECT concat_ws(E'\t', state, trunc(progress * 100), rows_done, concat_ws('  ',
         '[' || rpad(repeat('#', trunc(progress * 16)::int), 16, '.') || ']'
             || to_char(progress * 100, '990.0') || ' %',
         CASE WHEN phase = 'proof' AND state <> 'done' THEN 'looking for rows that were left'
              ELSE to_char(rows_per_second, 'FM999,999,990') || ' rows/s' END,
         CASE phase WHEN 'sweep' THEN 'ETA ' || to_char(eta, 'FMMI:SS') END,
         CASE state WHEN 'done' THEN 'done' ELSE 'waiting for ' || coalesce(waiting_for, 'nothing') END))
  FROM zdm.jobs JOIN (SELECT job_id, phase FROM zdm.backfills) AS b USING (job_id)
