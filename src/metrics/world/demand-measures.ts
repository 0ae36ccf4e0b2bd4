/** Dimensions that hold the whole clip against the whole prompt: liveliness, arrangement, scenery, style, pace. */
import { gravity, pourRange, speedRange } from "../../video/world/physics.ts";
import { grade, mean, shareOf } from "./grade.ts";
import { isDirection, type MotionMeasures } from "./motion-measures.ts";
import { type Seen, wholeBlobs } from "./object-measures.ts";
import type { Water } from "./water.ts";

export function liveliness({ demand, parts, motions }: Seen, water: Water | undefined): number {
  if (water) return water.rises ? 1 : grade(0.005 - Math.max(0, water.rate || 0), 0, 0.005);
  const moving = (m: MotionMeasures | undefined) => 1 - grade(m ? m.speed : Number.NaN, 0.15, 0.4);
  if (demand.scene === "collide") {
    // One moves while the other rests: the sum of their speeds counts.
    const most = Math.max(...motions.map((m) => (m ? Math.max(0, ...m.vx.map(Math.abs)) : 0)));
    return 1 - grade(most, 0.3, 0.8);
  }
  const grades = parts.map((p, i) => {
    if (!motions[i] || motions[i].vx.length === 0) return 0;
    if (!p.demand.motion) return 1;
    return p.demand.motion === "still" ? grade(motions[i].speed, 0.25, 0.8) : moving(motions[i]);
  });
  return mean(grades);
}

/** The demanded relation, else: objects apart and inside, behind the wall where there is one, water in its glass. */
export function arrangement({ demand, reading, parts }: Seen, there: readonly boolean[]): number {
  const ok = Array.from({ length: reading.numFrames }, (_, f) => {
    if (demand.water) return reading.glasses[f] !== undefined && (reading.glasses[f]!.level > 0.02 || f < 2);
    if (!there[f]) return false;
    const [a, b] = parts.map((p) => p.seen?.blobs[f]);
    if (demand.wall) {
      const wall = reading.walls[f];
      return wall !== undefined && !(a && a.x > wall.left + 1.5 && a.x < wall.right - 1.5);
    }
    if (demand.relation && a && b) {
      const [dx, dy] = [b.x - a.x, b.y - a.y];
      const clear = Math.abs(demand.relation.endsWith("of") ? dx : dy);
      if (clear < 0.75 * Math.abs(demand.relation.endsWith("of") ? dy : dx)) return false;
      return { "left of": dx > 0, "right of": dx < 0, above: dy > 0, below: dy < 0 }[demand.relation];
    }
    if (a && b) {
      // Collisions touch but never mix: their boxes meet at one point.
      const gap = Math.max(
        Math.abs(a.x - b.x) - (a.width + b.width) / 2,
        Math.abs(a.y - b.y) - (a.height + b.height) / 2,
      );
      return gap > -1.5;
    }
    return true;
  });
  return shareOf(ok);
}

/** A wall or a glass exactly where demanded. */
export function scenery({ demand, reading }: Seen): number {
  const ok = Array.from(
    { length: reading.numFrames },
    (_, f) =>
      (reading.walls[f] !== undefined) === demand.wall &&
      (reading.glasses[f] !== undefined) === (demand.water !== undefined),
  );
  return shareOf(ok);
}

/** Hollow or filled as demanded; the background's pattern where one is demanded. */
export function style({ demand, parts, scene }: Seen): number {
  const filled = parts.map((p) => {
    const { seen, demand: part } = p;
    const clear = wholeBlobs(p);
    return clear.length > 0
      ? shareOf(clear.map((b) => b.hollow === part.hollow))
      : Number(seen !== undefined);
  });
  const objects = demand.water ? 1 : mean(filled);
  if (demand.background === "striped") {
    return (
      objects *
      (1 - grade(scene.roughX, 0.015, 0.035)) *
      (1 - grade(scene.roughX / Math.max(scene.roughY, 1e-3), 1.2, 2))
    );
  }
  if (demand.background === "plain") return objects * grade(scene.spread, 0.025, 0.06);
  return objects;
}

/** The demanded speed word, else a speed that the world shows. */
export function pace({ demand, parts, motions }: Seen, water: Water | undefined): number {
  const within = (value: number, [low, high]: readonly [number, number], slack: number) =>
    Math.min(
      grade(value, high * (1 + slack), high * (1 + 3 * slack)),
      1 - grade(value, low * (1 - 3 * slack), low * (1 - slack)),
    );
  if (water) {
    if (Number.isNaN(water.rate)) return Number(water.rises);
    return within(water.rate, pourRange[demand.water!.speed ?? "unmarked"], 0.2);
  }
  const grades = parts.map(({ demand: part }, i) => {
    const m = motions[i];
    if (!m || m.vx.length === 0) return 0;
    if (isDirection(part.motion)) return within(m.speed, speedRange[part.speed ?? "unmarked"], 0.12);
    if (part.motion === "still") return grade(m.speed, 0.3, 1);
    if (part.motion === "hit" || part.motion === "struck")
      return grade(Math.max(0, ...m.vx.map(Math.abs)), 2.6, 5);
    if (part.motion === "bounce") return within(m.speed, [0.6, 3 + 4 * gravity], 0.2);
    // Glides are drawn from 1 to 2 unless a word says otherwise; on the diagonal they are 6 % faster.
    if (part.motion) return within(m.speed, part.speed ? speedRange[part.speed] : [1, 2.2], 0.2);
    return grade(m.speed, 4, 8);
  });
  return mean(grades);
}
