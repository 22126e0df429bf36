/**
 * A finding's title where Markdown is written: names of tables and texts of statements are somebody else's, and none of
 * them may be read as markup, nor end a line.
 */
export const plain = (text: string) => text.replaceAll(/[<>*`[\]|\p{Cc}\u2028\u2029]/gu, ' ');
