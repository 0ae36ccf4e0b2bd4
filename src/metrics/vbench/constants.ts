/**
 * The published constants of VBench (Huang et al., CVPR 2024, 2311.17982; scripts/constant.py and cal_final_score.py at
 * the commit below) and of its siblings. The names are VBench's own keys. Nothing here is tuned.
 */

/** The code whose definitions are followed. */
export const vbenchCommit = "Vchitect/VBench@45e79ec";

export interface VbenchDimension {
  readonly min: number;
  readonly max: number;
  readonly weight: number;
  readonly group: "quality" | "semantic";
}

const quality = (min: number, max: number, weight = 1): VbenchDimension => ({
  min,
  max,
  weight,
  group: "quality",
});
const semantic = (min: number, max: number): VbenchDimension => ({ min, max, weight: 1, group: "semantic" });

/** In the leaderboard's order. */
export const vbenchDimensions = {
  subject_consistency: quality(0.1462, 1),
  background_consistency: quality(0.2615, 1),
  temporal_flickering: quality(0.6293, 1),
  motion_smoothness: quality(0.706, 0.9975),
  dynamic_degree: quality(0, 1, 0.5),
  aesthetic_quality: quality(0, 1),
  imaging_quality: quality(0, 1),
  object_class: semantic(0, 1),
  multiple_objects: semantic(0, 1),
  human_action: semantic(0, 1),
  color: semantic(0, 1),
  spatial_relationship: semantic(0, 1),
  scene: semantic(0, 0.8222),
  appearance_style: semantic(0.0009, 0.2855),
  temporal_style: semantic(0, 0.364),
  overall_consistency: semantic(0, 0.364),
} as const satisfies { readonly [key: string]: VbenchDimension };

export type VbenchKey = keyof typeof vbenchDimensions;
export const vbenchKeys = Object.keys(vbenchDimensions) as readonly VbenchKey[];

/** Total = (4 quality + 1 semantic) / 5. */
export const qualityWeight = 4;
export const semanticWeight = 1;

/** Image-to-video: the two likeness scores take the bounds of their text-to-video counterparts; camera motion has none. */
export const vbenchI2vDimensions = {
  camera_motion: { min: 0, max: 1, weight: 0.1, group: "i2v" },
  i2v_subject: { min: 0.1462, max: 1, weight: 1, group: "i2v" },
  i2v_background: { min: 0.2615, max: 1, weight: 1, group: "i2v" },
  subject_consistency: vbenchDimensions.subject_consistency,
  background_consistency: vbenchDimensions.background_consistency,
  motion_smoothness: vbenchDimensions.motion_smoothness,
  dynamic_degree: vbenchDimensions.dynamic_degree,
  aesthetic_quality: vbenchDimensions.aesthetic_quality,
  imaging_quality: vbenchDimensions.imaging_quality,
} as const;

export type VbenchI2vKey = keyof typeof vbenchI2vDimensions;

/** VBench-2.0: no normalisation, a group is the mean of its dimensions, the total the mean of the groups. */
export const vbench2Groups = {
  Creativity: ["Diversity", "Composition"],
  Commonsense: ["Motion_Rationality", "Instance_Preservation"],
  Controllability: [
    "Dynamic_Spatial_Relationship",
    "Dynamic_Attribute",
    "Motion_Order_Understanding",
    "Human_Interaction",
    "Complex_Landscape",
    "Complex_Plot",
    "Camera_Motion",
  ],
  Human_Fidelity: ["Human_Anatomy", "Human_Clothes", "Human_Identity"],
  Physics: ["Mechanics", "Thermotics", "Material", "Multi-View_Consistency"],
} as const;

export type Vbench2Group = keyof typeof vbench2Groups;
export type Vbench2Key = (typeof vbench2Groups)[Vbench2Group][number];

/** "Subject Consistency", "subject-consistency" and "subject_consistency" are the same dimension. */
export function vbenchKey(name: string): VbenchKey | undefined {
  const key = name
    .trim()
    .toLowerCase()
    .replaceAll(/[\s-]+/g, "_");
  return Object.hasOwn(vbenchDimensions, key) ? (key as VbenchKey) : undefined;
}
