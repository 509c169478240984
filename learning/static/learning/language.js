// The language of an answer, as far as its looks and its voice need it: Chinese, or the course's.
//
// learning/rendering/answers.py tells it by the same rule of what stands on the page already.

export const languageOf = (text, ofCourse) => {
  const letters = text.match(/\p{L}/gu)?.length ?? 0;
  const chinese = text.match(/\p{Script=Han}/gu)?.length ?? 0;
  if (!letters) return ofCourse;
  if (chinese > letters / 5) return "zh-Hans";
  return ofCourse.startsWith("zh") ? "en" : ofCourse;
};
