-- The closed list of event kinds. A rule that names another is refused; a test compares the code with it.

create table ops_event_kinds (
  kind text primary key,
  description text not null
);
comment on table ops_event_kinds is 'Every kind of event that a part emits. Kinds of the operator''s own begin with user. and need no row.';

insert into ops_event_kinds (kind, description) values
  ('mission.approved', 'a mission was let in'),
  ('mission.started', 'its first segment began'),
  ('mission.resumed', 'a later segment began'),
  ('mission.waiting', 'it waits: for a time, a signal, an answer'),
  ('mission.succeeded', 'all of it is done'),
  ('mission.failed', 'a step failed for good'),
  ('mission.cancelled', 'somebody ended it'),
  ('step.succeeded', 'a step has its outcome'),
  ('step.failed', 'a step failed for good'),
  ('step.retrying', 'a step failed and is tried again'),
  ('step.skipped', 'a need of it failed'),
  ('step.cancelled', 'its mission was cancelled'),
  ('step.unknown', 'its worker died in the middle of an effect outside'),
  ('job.failed', 'a job failed for good'),
  ('worker.died', 'a worker''s death was proven and its jobs were given back'),
  ('agent.started', 'an agent''s loop began'),
  ('agent.message_handled', 'an agent did what a message asked'),
  ('agent.message_failed', 'a message to an agent was given up'),
  ('message.received', 'somebody wrote to the bot'),
  ('message.failed', 'a message could not be delivered'),
  ('message.unknown', 'the sender died while a message was on its way: it may have arrived'),
  ('health.failed', 'a health check fires'),
  ('health.recovered', 'a health check has recovered'),
  ('health.reminded', 'a health check has been failing for further six hours'),
  ('health.flapping', 'a health check changes more than four times an hour'),
  ('cron.watch', 'the window of a rule on time fired'),
  ('service.cooling', 'a model failed and is not asked for a while'),
  ('service.recovered', 'a model that had failed answered again'),
  ('signal.found', 'research found something new'),
  ('policy.reaction_stopped', 'a chain of reactions was stopped');
