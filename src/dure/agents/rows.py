"""Rows of agents and tasks, as values."""

from collections.abc import Mapping, Sequence
from typing import Any

from dure.agents.model import Agent, Assignment, Candidate, Choice, Link, Need, Task


def agent_of(row: Sequence[Any]) -> Agent:
    """Answer the agent of a row of `agents_read.sql`."""
    (
        tenant_id, agent_id, kind, class_, version, state, capabilities, location, endpoints, labels, protocol,
        capacity, on_death, lease_s, epoch, lease_until, load, in_hand, target_version, hold, has_link, *rest,
    ) = row  # fmt: skip
    link = Link(*rest[:7]) if has_link else None
    trees, first, registered, suspected, died, reaped, draining, retired, revision = rest[7:]
    return Agent(
        tenant_id=tenant_id,
        agent_id=agent_id,
        kind=kind,
        class_=class_,
        version=version,
        state=state,
        capabilities=tuple(capabilities),
        location=location,
        endpoints=endpoints,
        labels=labels,
        protocol=protocol,
        capacity=capacity,
        on_death=on_death,
        lease_s=lease_s,
        epoch=epoch,
        lease_until=lease_until,
        load=load,
        in_hand=in_hand,
        target_version=target_version,
        hold=hold,
        link=link,
        trees=tuple(trees),
        first_registered_at=first,
        registered_at=registered,
        suspected_at=suspected,
        died_at=died,
        reaped_at=reaped,
        draining_at=draining,
        retired_at=retired,
        revision=revision,
    )


def task_of(row: Sequence[Any]) -> Task:
    """Answer the task of a row of `tasks_read.sql`."""
    (
        task_id, tenant_id, handler, title, state, strategy, class_, capabilities, named, tree, sticky_key, agent_id,
        from_agent, parent_id, root_id, trace_id, depth, params, result, error_class, error, priority, attempt,
        retry_count, max_retries, crash_count, blocked_by, timeout_s, created_at, run_at, started_at, finished_at,
        deadline_at, cancel_requested_at, tags, created_by,
    ) = row  # fmt: skip
    return Task(
        id=task_id,
        tenant_id=tenant_id,
        handler=handler,
        title=title,
        state=state,
        strategy=strategy,
        needs=Need(class_=class_, capabilities=tuple(capabilities), agent=named, tree=tree),
        sticky_key=sticky_key,
        agent_id=agent_id,
        from_agent=from_agent,
        parent_id=parent_id,
        root_id=root_id,
        trace_id=trace_id,
        depth=depth,
        params=params,
        result=result,
        error_class=error_class,
        error=error,
        priority=priority,
        attempt=attempt,
        retry_count=retry_count,
        max_retries=max_retries,
        crash_count=crash_count,
        blocked_by=blocked_by,
        timeout_s=timeout_s,
        created_at=created_at,
        run_at=run_at,
        started_at=started_at,
        finished_at=finished_at,
        deadline_at=deadline_at,
        cancel_requested_at=cancel_requested_at,
        tags=tuple(tags or ()),
        created_by=created_by,
    )


def assignment_of(row: Sequence[Any]) -> Assignment:
    """Answer the assignment of a row of `tasks_claim.sql`."""
    (
        task_id, claim_id, handler, params, attempt, title, from_agent, trace_id, root_id, depth, deadline_at,
        timeout_s, priority, capabilities,
    ) = row  # fmt: skip
    return Assignment(
        task_id=task_id,
        claim_id=claim_id,
        handler=handler,
        params=params,
        attempt=attempt,
        title=title,
        from_agent=from_agent,
        trace_id=trace_id,
        root_id=root_id,
        depth=depth,
        deadline_at=deadline_at,
        timeout_s=timeout_s,
        priority=priority,
        capabilities=tuple(capabilities),
    )


def candidate_of(document: Mapping[str, Any]) -> Candidate:
    """Answer a candidate as `dure.choose` writes it."""
    given: dict[str, Any] = {name: document.get(name) for name in Candidate.__slots__}
    return Candidate(**given)


def choice_of(row: Sequence[Any]) -> Choice:
    """Answer the choice of a row: strategy, chosen, reason, candidates, and when, if it was made."""
    strategy, chosen, reason, candidates, *at = row
    return Choice(strategy, chosen, reason, tuple(candidate_of(one) for one in candidates or ()), at[0] if at else None)
