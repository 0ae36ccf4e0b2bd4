/**
 * What a language model is asked about a clip. All questions are ours, in our own words; what they ask for and their
 * weights follow the sources:
 *
 *   visionReward      29 weighted yes/no questions: VisionReward (2412.21059) as Video-T1 uses it; the mean of
 *                     weight x (+1 yes, -1 no), at best 0.21645
 *   stageQuestions    Video-T1's sets for the first frame, the motion so far, and the whole: (#yes - #no) / #questions
 *   clarity, potential  the two questions of image-level alignment (Image-Generation-CoT, PARM)
 */
import type { Stage } from "../verifier.ts";

export interface Question {
  /** "{prompt}" stands for what the clip should show. */
  readonly text: string;
  readonly weight: number;
}

/** Questions by stage of judgement. */
export interface QuestionSet {
  readonly name: string;
  of(stage: Stage): readonly Question[];
}

const weighted: readonly (readonly [weight: number, text: string])[] = [
  [0.9544, 'Does the video meet every requirement of "{prompt}"?'],
  [0.2524, 'Does the video meet most of the requirements of "{prompt}"?'],
  [1.1418, 'Does the video show at least something of "{prompt}", rather than missing it completely?'],
  [0.035, "Is the composition pleasing?"],
  [0.0252, "Is the composition free of obvious flaws?"],
  [0.126, "Is the movement of the camera free of obvious flaws?"],
  [0.0322, "Are the colours at least not very unattractive?"],
  [0.1629, "Is the lighting perfectly accurate?"],
  [0.2167, "Is the lighting free of obvious errors?"],
  [0.0197, "Is there any lighting to be seen?"],
  [0.136, "Is the lighting exceptionally beautiful?"],
  [0.0965, "Is the lighting beautiful?"],
  [0.1549, "Is the lighting at least not ugly?"],
  [0.1294, "Are the shapes in the first frames fully accurate?"],
  [0.0989, "Are the shapes in the first frames free of obvious errors?"],
  [0.1884, "Are the shapes in the first frames at least not chaotic?"],
  [0.1844, "Do all shapes keep perfectly throughout the video?"],
  [0.2636, "Are the shapes never chaotic throughout the video?"],
  [0.1117, "Is the movement of the camera highly dynamic?"],
  [0.0517, "Does the camera move more than minimally?"],
  [0.0256, "Is the motion of the objects very smooth?"],
  [0.439, "Is the motion of the objects fully realistic?"],
  [0.2686, "Is the quality of the picture very stable over time?"],
  [0.4293, "Are the details very refined?"],
  [0.0085, "Are the details free of roughness?"],
  [0.1276, "Are the details at least not very rough?"],
  [0.058, "If there are letters, are they correct?"],
  [0.1446, "Are there letters in the video?"],
  [0.3942, "Could what is shown be part of the physical world?"],
];

/** VisionReward's weights; the same questions at every stage. */
export function visionReward(): QuestionSet {
  const questions = weighted.map(([weight, text]) => ({ weight, text }));
  return Object.freeze({ name: "vision-reward", of: () => questions });
}

const byStage: Readonly<Record<Stage, readonly string[]>> = {
  scene: [
    "Could what is shown be part of the physical world?",
    "Does what is shown obey the laws of physics?",
    'Does the first frame show at least something of "{prompt}", rather than missing it completely?',
    "Is the camera steady?",
    "Are the colours at least not ugly?",
    "Are the shapes of the objects at least not chaotic?",
  ],
  motion: [
    "Could what is shown be part of the physical world?",
    "Does what is shown obey the laws of physics?",
    "Is the movement of the camera free of obvious flaws?",
    "Is the camera steady?",
  ],
  end: [
    "Is the movement of the camera free of obvious flaws?",
    "Is the motion of the objects fully realistic?",
    "Is the motion very smooth?",
    "Are the shapes never chaotic throughout the video?",
    "Do all shapes keep perfectly throughout the video?",
  ],
};

/** Video-T1's sets. Only the first one mentions the prompt there; `withPrompt` asks for it at every stage. */
export function stageQuestions({ withPrompt = false }: { readonly withPrompt?: boolean } = {}): QuestionSet {
  const asks = 'Does the video show "{prompt}"?';
  const questionsOf = (stage: Stage): Question[] =>
    [...(withPrompt && stage !== "scene" ? [asks] : []), ...byStage[stage]].map((text) => ({
      text,
      weight: 1,
    }));
  const sets = { scene: questionsOf("scene"), motion: questionsOf("motion"), end: questionsOf("end") };
  return Object.freeze({
    name: withPrompt ? "stages with prompt" : "stages",
    of: (stage: Stage) => sets[stage],
  });
}

/** One question of your own, at every stage. @example questions("Is a {prompt} to be seen?") */
export function questions(...texts: readonly string[]): QuestionSet {
  const set = texts.map((text) => ({ text, weight: 1 }));
  return Object.freeze({ name: `${texts.length} questions`, of: () => set });
}

const intermediate =
  'This picture is an unfinished step of making an image of "{prompt}"; it will still get better.';

/** Image-level alignment, first question. */
export function clarityQuestion(): QuestionSet {
  return {
    ...questions(`${intermediate} Is it already clear enough to judge what it may become?`),
    name: "clarity",
  };
}

/** Image-level alignment, second question. */
export function potentialQuestion(): QuestionSet {
  return { ...questions(`${intermediate} Can it still become a picture of "{prompt}"?`), name: "potential" };
}
